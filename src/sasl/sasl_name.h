/* Names and passwords as the mechanisms write them. */
#ifndef SASL_SASL_NAME_H
#define SASL_SASL_NAME_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

/* Appends a saslname: "," and "=" become "=2C" and "=3D" (RFC 5801 4, RFC 5802 5.1). */
void sasl_name_append(struct bytes name, struct buffer *out);

/* Appends what a saslname stands for. False: it is empty, holds a NUL, or "=" stands before
   anything but "2C" and "3D". */
bool sasl_name_read(struct bytes name, struct buffer *out);

/* Appends text as SASLprep makes it (RFC 4013). False: it holds what SASLprep forbids or leaves
   nothing of. what: "user name" or "password", for the fault. */
bool sasl_name_prepare(const char *text, const char *what, struct buffer *out, struct fault *fault);

#endif
