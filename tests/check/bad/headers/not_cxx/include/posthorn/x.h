int f(int class);
