/* The commands of POP3 as a table: verb, what follows it, where it is allowed, who hears it. */
#include "base/scan.h"
#include "pop3/pop3_server_inside.h"

enum {
    ANYWHERE = POP3_SERVER_AUTHORIZATION | POP3_SERVER_TRANSACTION,
    NUMBER_DIGITS_MAX = 10, /* of a message's number: more is no number of any message */
    LINES_DIGITS_MAX = 18   /* of TOP's lines: they fit into 64 bits */
};

/* ---- what follows a verb ---- */

typedef bool parse(struct bytes text, struct pop3_server_arguments *arguments);

static bool parse_nothing(struct bytes text, struct pop3_server_arguments *arguments)
{
    (void)arguments;
    return text.length == 0;
}

/* RFC 1939 4: a name or a password is all that follows, blanks included. */
static bool parse_text(struct bytes text, struct pop3_server_arguments *arguments)
{
    arguments->text = text;
    return text.length > 0;
}

static bool take_digits(struct scan *scan, size_t most, uint64_t *number)
{
    const char *start = scan->position;
    return scan_take_number(scan, UINT64_MAX, number) && (size_t)(scan->position - start) <= most;
}

/* RFC 1939 3: messages are numbered from 1. A number that no message can have is one all the same:
   0 becomes the largest. */
static bool take_message(struct scan *scan, struct pop3_server_arguments *arguments)
{
    uint64_t number;
    if (!take_digits(scan, NUMBER_DIGITS_MAX, &number))
        return false;
    arguments->has_number = true;
    arguments->number = number == 0 || number > UINT32_MAX ? UINT32_MAX : (uint32_t)number - 1;
    return true;
}

static bool parse_message(struct bytes text, struct pop3_server_arguments *arguments)
{
    struct scan scan = scan_of(text);
    return take_message(&scan, arguments) && scan_is_at_end(&scan);
}

static bool parse_optional_message(struct bytes text, struct pop3_server_arguments *arguments)
{
    return text.length == 0 || parse_message(text, arguments);
}

static bool parse_message_and_lines(struct bytes text, struct pop3_server_arguments *arguments)
{
    struct scan scan = scan_of(text);
    return take_message(&scan, arguments) && scan_take_char(&scan, ' ') &&
           take_digits(&scan, LINES_DIGITS_MAX, &arguments->lines) && scan_is_at_end(&scan);
}

/* RFC 5034 4: mechanism and initial response; neither lists the mechanisms, as old clients ask. */
static bool parse_auth(struct bytes text, struct pop3_server_arguments *arguments)
{
    if (!bytes_split(text, ' ', &arguments->text, &arguments->rest)) {
        arguments->rest = (struct bytes){NULL, 0};
        return true;
    }
    return arguments->text.length > 0 && arguments->rest.length > 0 &&
           !bytes_has_char(arguments->rest, ' ');
}

/* ---- commands that need no more than a line ---- */

static void hear_noop(struct pop3_server *server, const struct pop3_server_arguments *arguments)
{
    (void)arguments;
    pop3_server_say(server, "+OK");
}

static void hear_quit(struct pop3_server *server, const struct pop3_server_arguments *arguments)
{
    (void)arguments;
    if (server->state == POP3_SERVER_TRANSACTION) {
        server->owed = POP3_SERVER_OWES_UPDATE;
        pop3_server_raise(server, POP3_SERVER_QUIT);
        return;
    }
    pop3_server_say(server, "+OK Bye");
    pop3_server_end(server, "quit");
}

/* ---- the table ---- */

struct command {
    struct bytes verb;
    unsigned states;
    parse *parse;
    pop3_server_hear *hear;
    const char *usage;
};

static const struct command commands[] = {
    {BYTES_INIT("RETR"), POP3_SERVER_TRANSACTION, parse_message, pop3_server_message_retr,
     "RETR wants the number of a message"},
    {BYTES_INIT("DELE"), POP3_SERVER_TRANSACTION, parse_message, pop3_server_maildrop_dele,
     "DELE wants the number of a message"},
    {BYTES_INIT("TOP"), POP3_SERVER_TRANSACTION, parse_message_and_lines, pop3_server_message_top,
     "TOP wants the number of a message and how many lines"},
    {BYTES_INIT("LIST"), POP3_SERVER_TRANSACTION, parse_optional_message, pop3_server_maildrop_list,
     "LIST wants the number of a message, or nothing"},
    {BYTES_INIT("UIDL"), POP3_SERVER_TRANSACTION, parse_optional_message, pop3_server_maildrop_uidl,
     "UIDL wants the number of a message, or nothing"},
    {BYTES_INIT("STAT"), POP3_SERVER_TRANSACTION, parse_nothing, pop3_server_maildrop_stat,
     "STAT wants no argument"},
    {BYTES_INIT("NOOP"), POP3_SERVER_TRANSACTION, parse_nothing, hear_noop,
     "NOOP wants no argument"},
    {BYTES_INIT("RSET"), POP3_SERVER_TRANSACTION, parse_nothing, pop3_server_maildrop_rset,
     "RSET wants no argument"},
    {BYTES_INIT("QUIT"), ANYWHERE, parse_nothing, hear_quit, "QUIT wants no argument"},
    {BYTES_INIT("CAPA"), ANYWHERE, parse_nothing, pop3_server_login_capa, "CAPA wants no argument"},
    {BYTES_INIT("USER"), POP3_SERVER_AUTHORIZATION, parse_text, pop3_server_login_user,
     "USER wants a name"},
    {BYTES_INIT("PASS"), POP3_SERVER_AUTHORIZATION, parse_text, pop3_server_login_pass,
     "PASS wants a password"},
    {BYTES_INIT("AUTH"), POP3_SERVER_AUTHORIZATION, parse_auth, pop3_server_login_auth,
     "AUTH wants a mechanism, and perhaps its initial response"},
    {BYTES_INIT("STLS"), POP3_SERVER_AUTHORIZATION, parse_nothing, pop3_server_login_stls,
     "STLS wants no argument"},
    {BYTES_INIT("UTF8"), POP3_SERVER_AUTHORIZATION, parse_nothing, pop3_server_login_utf8,
     "UTF8 wants no argument"},
};

static const struct command *find_command(struct bytes verb)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (bytes_equal_ignoring_case(commands[i].verb, verb))
            return &commands[i];
    }
    return NULL;
}

/* Blanks at the end of a line mean nothing, but in a name or a password. */
static struct bytes drop_end_blanks(struct bytes text)
{
    while (text.length > 0 && text.data[text.length - 1] == ' ')
        text.length--;
    return text;
}

void pop3_server_command_hear(struct pop3_server *server, struct bytes line)
{
    struct bytes verb;
    struct bytes text;
    struct pop3_server_arguments arguments = {.text = BYTES("")};
    bytes_split(line, ' ', &verb, &text);
    const struct command *command = find_command(verb);
    if (command == NULL) {
        pop3_server_complain(server, "Unknown command");
        return;
    }
    if ((command->states & server->state) == 0) {
        pop3_server_complain(server, server->state == POP3_SERVER_TRANSACTION
                                         ? "You are logged in already"
                                         : "Log in first");
        return;
    }
    if (command->parse != parse_text)
        text = drop_end_blanks(text);
    if (!command->parse(text, &arguments)) {
        pop3_server_complain(server, command->usage);
        return;
    }
    command->hear(server, &arguments);
}
