#include "augment/quality/word_rules.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/python_text.h"

#include <pthread.h>
#include <utf8proc.h>

/* Full stops of all scripts, and what else datatrove calls punctuation (src/datatrove/utils/text.py). */
static const uint32_t stops[][2] = {
    {0x21, 0x21},       {0x2E, 0x2E},       {0x3F, 0x3F},       {0x589, 0x589},     {0x61D, 0x61F},     {0x6D4, 0x6D4},
    {0x700, 0x702},     {0x7F9, 0x7F9},     {0x837, 0x837},     {0x839, 0x839},     {0x83D, 0x83E},     {0x964, 0x965},
    {0x104A, 0x104B},   {0x1362, 0x1362},   {0x1367, 0x1368},   {0x166E, 0x166E},   {0x1735, 0x1736},   {0x17D4, 0x17D6},
    {0x17D9, 0x17DA},   {0x1803, 0x1803},   {0x1809, 0x1809},   {0x1944, 0x1945},   {0x1AA8, 0x1AAB},   {0x1B5A, 0x1B5B},
    {0x1B5E, 0x1B5F},   {0x1B7D, 0x1B7E},   {0x1C3B, 0x1C3C},   {0x1C7E, 0x1C7F},   {0x203C, 0x203D},   {0x2047, 0x2049},
    {0x2E2E, 0x2E2E},   {0x2E3C, 0x2E3C},   {0x2E53, 0x2E54},   {0x3002, 0x3002},   {0xA4FF, 0xA4FF},   {0xA60E, 0xA60F},
    {0xA6F3, 0xA6F3},   {0xA6F7, 0xA6F7},   {0xA876, 0xA877},   {0xA8CE, 0xA8CF},   {0xA92F, 0xA92F},   {0xA9C8, 0xA9C9},
    {0xAA5D, 0xAA5F},   {0xAAF0, 0xAAF1},   {0xABEB, 0xABEB},   {0xFE52, 0xFE52},   {0xFE56, 0xFE57},   {0xFF01, 0xFF01},
    {0xFF0E, 0xFF0E},   {0xFF1F, 0xFF1F},   {0xFF61, 0xFF61},   {0x10A56, 0x10A57}, {0x10F55, 0x10F59}, {0x10F86, 0x10F89},
    {0x11047, 0x11048}, {0x110BE, 0x110C1}, {0x11141, 0x11143}, {0x111C5, 0x111C6}, {0x111CD, 0x111CD}, {0x111DE, 0x111DF},
    {0x11238, 0x11239}, {0x1123B, 0x1123C}, {0x112A9, 0x112A9}, {0x1144B, 0x1144C}, {0x115C2, 0x115C3}, {0x115C9, 0x115D7},
    {0x11641, 0x11642}, {0x1173C, 0x1173E}, {0x11944, 0x11944}, {0x11946, 0x11946}, {0x11A42, 0x11A43}, {0x11A9B, 0x11A9C},
    {0x11C41, 0x11C42}, {0x11EF7, 0x11EF8}, {0x11F43, 0x11F44}, {0x16A6E, 0x16A6F}, {0x16AF5, 0x16AF5}, {0x16B37, 0x16B38},
    {0x16B44, 0x16B44}, {0x16E98, 0x16E98}, {0x1BC9F, 0x1BC9F}, {0x1DA88, 0x1DA88},
};
static const uint32_t symbols[][2] = {
    {0x0, 0x8},       {0xB, 0x1F},      {0x22, 0x2D},     {0x2F, 0x2F},     {0x3A, 0x3E},     {0x40, 0x40},
    {0x5B, 0x60},     {0x7B, 0x9F},     {0xAB, 0xAB},     {0xB4, 0xB4},     {0xBB, 0xBB},     {0x2013, 0x2014},
    {0x2019, 0x2019}, {0x201C, 0x201E}, {0x2026, 0x2026}, {0x2236, 0x2236}, {0x2501, 0x2501}, {0x25BA, 0x25BA},
    {0x3001, 0x3001}, {0x3008, 0x300D}, {0x3010, 0x3011}, {0xFF05, 0xFF05}, {0xFF08, 0xFF09}, {0xFF0C, 0xFF0C},
    {0xFF11, 0xFF11}, {0xFF1A, 0xFF1B}, {0xFF5E, 0xFF5E},
};
static const uint32_t hangul[][2] = {{0x1100, 0x11FF}, {0x3131, 0x318E}, {0xA960, 0xA97C}, {0xAC00, 0xD7A3}, {0xD7B0, 0xD7FB}};

/* spaCy's lists (lang/char_classes.py). */
static const char punctuation[] = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪",
                  quotes[] = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧",
                  money[] = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫€₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿";

static uint16_t *table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static uint16_t of_category(uint32_t code)
{
    uint16_t is = lm_is_python_space(code) ? LM_CC_SPACE : 0;
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_LL: return is | LM_CC_ALPHA | LM_CC_LOWER | LM_CC_ENDS;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT: return is | LM_CC_ALPHA | LM_CC_UPPER;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return is | LM_CC_ALPHA | LM_CC_LOWER | LM_CC_UPPER | LM_CC_ENDS;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return is | LM_CC_PUNCT;
    case UTF8PROC_CATEGORY_SO: return is | LM_CC_EDGE | LM_CC_ICON;
    default: return is;
    }
}

static void paint(const uint32_t (*ranges)[2], size_t count, uint16_t bits)
{
    for (size_t i = 0; i < count; i++)
        for (uint32_t c = ranges[i][0]; c <= ranges[i][1]; c++)
            table[c] |= bits;
}

static void paint_string(const char *s, uint16_t bits)
{
    uint32_t code;
    for (size_t n = strlen(s), at = 0; at < n;) {
        at += lm_utf8_decode(s + at, n - at, &code);
        table[code] |= bits;
    }
}

#define PAINT(ranges, bits) paint(ranges, sizeof(ranges) / sizeof *(ranges), bits)

static void make_table(void)
{
    table = lm_malloc(LM_CC_TABLE, sizeof *table);
    for (uint32_t c = 0; c < LM_CC_TABLE; c++)
        table[c] = of_category(c);
    PAINT(stops, LM_CC_STOP | LM_CC_SYMBOL);
    PAINT(symbols, LM_CC_SYMBOL);
    PAINT(hangul, LM_CC_HANGUL);
    paint_string("0123456789", LM_CC_DIGIT | LM_CC_ENDS);
    paint_string(punctuation, LM_CC_EDGE | LM_CC_ENDS);
    paint_string(quotes, LM_CC_EDGE | LM_CC_QUOTE | LM_CC_ENDS);
    paint_string("—–", LM_CC_EDGE);
    paint_string("…", LM_CC_ICON);
    paint_string("%²-+|", LM_CC_ENDS);
    paint_string("§%=+", LM_CC_PREFIX);
    paint_string(money, LM_CC_PREFIX | LM_CC_MONEY);
}

const uint16_t *lm_count_classes(void)
{
    pthread_once(&table_once, make_table);
    return table;
}

uint16_t lm_count_class(uint32_t code)
{
    return code < LM_CC_TABLE ? lm_count_classes()[code] : of_category(code);
}
