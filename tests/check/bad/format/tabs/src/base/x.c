	int   x ;
