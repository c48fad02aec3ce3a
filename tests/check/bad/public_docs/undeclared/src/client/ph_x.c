/* X. */
int ph_x(void)
{
    return 0;
}
