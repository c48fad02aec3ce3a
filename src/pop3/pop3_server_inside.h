/* What the files of the POP3 server engine share: its state, and how they call each other. */
#ifndef POP3_POP3_SERVER_INSIDE_H
#define POP3_POP3_SERVER_INSIDE_H

#include "base/buffer.h"
#include "pop3/pop3_server.h"
#include "wire/dot.h"

enum {
    POP3_SERVER_MECHANISM_MAX = 20, /* bytes of a mechanism's name (RFC 4422 3.1) */
    POP3_SERVER_TEXT_MAX = 400      /* bytes of words in a reply: its line is at most 512 */
};

/* RFC 1939 3. Bits, so that a command can name all in which it is allowed. UPDATE is the answer
   that QUIT waits for. */
enum pop3_server_state {
    POP3_SERVER_EARLY = 1,         /* implicit TLS does not stand yet */
    POP3_SERVER_AUTHORIZATION = 2, /* RFC 1939 4 */
    POP3_SERVER_TRANSACTION = 4,   /* RFC 1939 5 */
    POP3_SERVER_ENDED = 8
};

/* What the host must answer before anything is taken. */
enum pop3_server_owed {
    POP3_SERVER_OWES_NOTHING = 0,
    POP3_SERVER_OWES_LOGIN, /* LOGIN, AUTH, AUTH_RESPONSE */
    POP3_SERVER_OWES_MESSAGE,
    POP3_SERVER_OWES_UPDATE
};

/* An answer of many lines that is being made. */
enum pop3_server_making {
    POP3_SERVER_MAKES_NOTHING = 0,
    POP3_SERVER_MAKES_LIST,
    POP3_SERVER_MAKES_UIDL,
    POP3_SERVER_MAKES_MESSAGE
};

/* Where TOP stands in the message. */
struct pop3_server_top {
    bool is_wanted;
    bool is_in_body;
    bool has_line;  /* something stands in the line that was begun */
    uint64_t lines; /* of the body, still to come */
};

struct pop3_server {
    struct pop3_server_options options; /* limits without zeros */
    struct pop3_server_maildrop maildrop;
    struct pop3_server_event event;
    bool has_event;
    bool is_encrypted;
    bool is_tls_agreed; /* STLS was answered, TLS does not stand yet */
    bool is_utf8;
    bool is_in_exchange;  /* the next line is a response of AUTH */
    bool is_drained_line; /* a line that is too long is passed over to its end */
    bool is_stopping;
    bool is_lock_lost;
    bool is_end_told;
    enum pop3_server_state state;
    enum pop3_server_owed owed;
    enum pop3_server_making making;
    const char *reason;
    unsigned commands;
    unsigned errors;
    unsigned auth_failures;
    int64_t born;
    int64_t heard;        /* the last sign of life */
    struct buffer line;   /* a command that has not ended */
    struct buffer user;   /* USER */
    struct buffer secret; /* PASS, a response of AUTH */
    struct buffer output;
    char mechanism[POP3_SERVER_MECHANISM_MAX + 1];
    unsigned char *deleted; /* a bit a message; NULL = none */
    size_t deleted_count;
    uint64_t deleted_size;
    uint32_t next_message; /* of LIST and UIDL */
    struct dot dot;
    struct pop3_server_top top;
};

/* One line of a reply, CRLF added. */
void pop3_server_say(struct pop3_server *server, const char *text);
/* -ERR for a line that is no command, or none here: counted, and one too many is the end. */
void pop3_server_complain(struct pop3_server *server, const char *text);
/* The end; what is in the output still goes out. */
void pop3_server_end(struct pop3_server *server, const char *reason);
struct pop3_server_event *pop3_server_raise(struct pop3_server *server,
                                            enum pop3_server_event_kind kind);

/* At the end of every call of the door: what could not be said ends the session, and so does a wish
   to stop. */
void pop3_server_settle(struct pop3_server *server);

/* pop3_server_command.c: a line without its CRLF. */
void pop3_server_command_hear(struct pop3_server *server, struct bytes line);

/* What a command brought along. */
struct pop3_server_arguments {
    struct bytes text;
    struct bytes rest; /* AUTH: the initial response; data NULL = none */
    bool has_number;
    uint32_t number; /* of a message, from 0 */
    uint64_t lines;
};
typedef void pop3_server_hear(struct pop3_server *server,
                              const struct pop3_server_arguments *arguments);

/* pop3_server_login.c: what AUTHORIZATION is for. */
pop3_server_hear pop3_server_login_user;
pop3_server_hear pop3_server_login_pass;
pop3_server_hear pop3_server_login_auth;
pop3_server_hear pop3_server_login_stls;
pop3_server_hear pop3_server_login_utf8;
pop3_server_hear pop3_server_login_capa;
void pop3_server_login_respond(struct pop3_server *server, struct bytes line);
/* The line of an exchange was no response at all. */
void pop3_server_login_break(struct pop3_server *server, const char *text);
/* Forgets who wants to log in. */
void pop3_server_login_forget(struct pop3_server *server);

/* pop3_server_maildrop.c: what is answered from the list of messages. */
pop3_server_hear pop3_server_maildrop_stat;
pop3_server_hear pop3_server_maildrop_list;
pop3_server_hear pop3_server_maildrop_uidl;
pop3_server_hear pop3_server_maildrop_dele;
pop3_server_hear pop3_server_maildrop_rset;
/* After the login: takes the list over, and says what there is. */
void pop3_server_maildrop_open(struct pop3_server *server,
                               const struct pop3_server_maildrop *maildrop);
/* There is such a message; else -ERR was said. */
bool pop3_server_maildrop_has(struct pop3_server *server, uint32_t number);
/* Makes more of LIST or UIDL, until the output is full. */
void pop3_server_maildrop_go_on(struct pop3_server *server);

/* pop3_server_message.c: a message on its way out. */
pop3_server_hear pop3_server_message_retr;
pop3_server_hear pop3_server_message_top;
/* +OK, and the walk begins. */
void pop3_server_message_begin(struct pop3_server *server, uint64_t size);

#endif
