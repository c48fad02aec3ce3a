/* Lines. */
void ph_line(void)
{
}
