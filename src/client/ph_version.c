/* The version of the library that a program runs with. */
#include <posthorn/posthorn.h>

const char *ph_version(void)
{
    return POSTHORN_VERSION;
}
