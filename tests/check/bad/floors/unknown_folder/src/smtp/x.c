#include "smtp_reply.h"
