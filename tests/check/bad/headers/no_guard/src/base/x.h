struct x { int y; };
