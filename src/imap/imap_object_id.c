/* Reads object ids. */
#include "imap/imap_object_id.h"

bool imap_object_id_read(struct bytes text, char kind, int64_t *id)
{
    uint64_t number = 0;
    if (text.length != 1 + IMAP_OBJECT_ID_DIGITS || text.data[0] != kind)
        return false;
    for (size_t i = 1; i < text.length; i++) {
        int value = bytes_hex_value((unsigned char)text.data[i]);
        /* RFC 8474 3: ids tell upper and lower case apart. */
        if (value < 0 || (text.data[i] >= 'A' && text.data[i] <= 'F'))
            return false;
        number = number << 4 | (unsigned)value;
    }
    if (number > INT64_MAX)
        return false;
    *id = (int64_t)number;
    return true;
}
