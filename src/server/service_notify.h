/* Tells the service manager how the server is doing: the protocol of sd_notify(3), which is one
 * datagram to the socket that $NOTIFY_SOCKET names. Without a manager nothing is done. */
#ifndef SERVER_SERVICE_NOTIFY_H
#define SERVER_SERVICE_NOTIFY_H

void service_notify_ready(const char *status); /* one line for people: "serving 5 places" */
void service_notify_reloading(void);           /* until the next ready */
void service_notify_stopping(void);

#endif
