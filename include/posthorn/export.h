/* What marks a function as part of the library's front door. */
#ifndef POSTHORN_EXPORT_H
#define POSTHORN_EXPORT_H

#if defined(__GNUC__)
#define PH_API __attribute__((visibility("default")))
#define PH_FORMAT(string_index, first_index)                                                       \
    __attribute__((format(printf, string_index, first_index)))
#else
#define PH_API
#define PH_FORMAT(string_index, first_index)
#endif

#endif
