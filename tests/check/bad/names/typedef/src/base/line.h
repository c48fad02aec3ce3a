/* Lines. */
typedef struct line {
    int x;
} line_t;
