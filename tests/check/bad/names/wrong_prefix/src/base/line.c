/* Lines. */
int *reply_new(int x,
               int y)
{
    return 0;
}
