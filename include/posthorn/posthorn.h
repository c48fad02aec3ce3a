/* libposthorn: SMTP and LMTP for C programs. This header brings in all the others.
 *
 * Until version 1.0 any release may change the layout of the structs here (the shared library's
 * soversion is 0): compile programs against the very version that they run with. */
#ifndef POSTHORN_POSTHORN_H
#define POSTHORN_POSTHORN_H

#include <posthorn/engine.h>
#include <posthorn/message.h>
#include <posthorn/smtp.h>

#define PH_VERSION_MAJOR 0
#define PH_VERSION_MINOR 1
#define PH_VERSION_PATCH 0
#define PH_VERSION       "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that the program runs with ("0.1.0"); static. */
PH_API const char *ph_version(void);

#ifdef __cplusplus
}
#endif

#endif
