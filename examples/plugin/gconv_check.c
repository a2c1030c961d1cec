/* Is the backward of the plugin's own operation the derivative of its forward? */
#include "gconv.c"

#include <stdio.h>

int main(void)
{
    int bad = 0;
    for (int i = 0; i < CYCLE_MAX; i++) {
        const int rows[] = {9, 3}, widths[] = {5, 5};
        double error = lm_custom_error(&convolution, 5, rows, widths, 2, &dilations[i]);
        printf("causal convolution, dilation %d: %.1e\n", dilations[i], error);
        bad |= !(error < 0.01);
    }
    return bad;
}
