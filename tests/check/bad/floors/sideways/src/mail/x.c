#include "wire/line.h"
