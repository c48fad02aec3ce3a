#include <posthorn/smtp.h>
