/* Products with a matrix that is used many times: B [depth, columns] is packed into panels of two vectors, each
 * [depth, 2 LANES], so that a panel is read from end to end. The tiles are attention.h's. Part of variant.c. */

enum { PANEL = 2 * LANES };

static int panels_width(int columns)
{
    return (columns + PANEL - 1) / PANEL * PANEL;
}

static void panels_pack(const float *b, size_t down, size_t across, int depth, int columns, float *panels)
{
    for (int j = 0; j < columns; j += PANEL) {
        int n = columns - j < PANEL ? columns - j : PANEL;
        for (int k = 0; k < depth; k++, panels += PANEL) {
            const float *from = b + (size_t)k * down + (size_t)j * across;
            for (int i = 0; i < n; i++)
                panels[i] = from[(size_t)i * across];
            for (int i = n; i < PANEL; i++)
                panels[i] = 0;
        }
    }
}

static void panels_product(const float *a, size_t lda, const float *panels, float *c, size_t ldc, int rows,
                           int columns, int depth)
{
    for (int j = 0; j < columns; j += PANEL, panels += (size_t)PANEL * (size_t)depth)
        product((operand){a, lda, 1}, panels, PANEL, c + j, ldc, rows, PANEL, depth, false);
}
