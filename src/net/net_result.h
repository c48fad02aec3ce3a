/* What a call that may not block came to. */
#ifndef NET_NET_RESULT_H
#define NET_NET_RESULT_H

enum net_result {
    NET_DONE = 0, /* *count says how many bytes */
    NET_AGAIN,    /* wait for what net_stream_wait waits for, then call again */
    NET_END,      /* orderly end of the stream (TLS: close_notify; without it: NET_FAILED) */
    NET_FAILED,   /* fault is filled; the stream is of no more use */
};

#endif
