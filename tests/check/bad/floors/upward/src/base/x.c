#include "smtp/smtp_reply.h"
