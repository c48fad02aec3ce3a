bool f(void);
