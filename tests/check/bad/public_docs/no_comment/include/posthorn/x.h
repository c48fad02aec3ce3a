/* Header. */

/* One. */
PH_API int ph_one(void);

PH_API int ph_two(void);
