/* A library without the entry point. */
int bad_nothing(void);
int bad_nothing(void)
{
    return 0;
}
