#include "augment/clean/encodings.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <iconv.h>
#include <pthread.h>

static const char *const names[] = {"windows-1252", "windows-1251", "windows-1250", "windows-1253", "windows-1254",
                                    "windows-1257", "iso-8859-2",   "macintosh",    "cp437"};
enum { NAMES = sizeof names / sizeof *names, CP949_FIRST = 0x81, CP949_SECOND = 0x41 };

static struct {
    lm_legacy_encoding encodings[NAMES];
    int count;
    lm_legacy_roles roles;
    uint32_t windows_1252[32];
} one_byte;
static uint16_t two_bytes[0xFF - CP949_FIRST][0xFF - CP949_SECOND];
static pthread_once_t one_byte_once = PTHREAD_ONCE_INIT, two_bytes_once = PTHREAD_ONCE_INIT;

/* The one character that these bytes are; 0: they are none. */
static uint32_t decode(iconv_t cd, char *bytes, size_t n)
{
    char utf8[8], *out = utf8;
    size_t room = sizeof utf8;
    uint32_t code;
    iconv(cd, NULL, NULL, NULL, NULL);
    if (iconv(cd, &bytes, &n, &out, &room) == (size_t)-1 || out == utf8)
        return 0;
    size_t made = (size_t)(out - utf8);
    return lm_utf8_decode(utf8, made, &code) == made ? code : 0;
}

static void enter(int index, lm_legacy_encoding *e, uint32_t code, unsigned byte)
{
    if (code < 0x80 || code >= LM_LEGACY_CODES || e->byte_of[code])
        return;
    e->byte_of[code] = (uint8_t)byte;
    if (byte >= 0xC2 && byte <= 0xF4)
        one_byte.roles.first[code] |= (uint16_t)(1 << index);
    if (byte < 0xC0)
        one_byte.roles.further[code] |= (uint16_t)(1 << index);
}

static void make_one_byte(void)
{
    for (unsigned byte = 0x80; byte < 0xA0; byte++)
        one_byte.windows_1252[byte - 0x80] = byte;
    for (int i = 0; i < NAMES; i++) {
        iconv_t cd = iconv_open("UTF-8", names[i]);
        if (cd == (iconv_t)-1)
            continue;
        int index = one_byte.count++;
        lm_legacy_encoding *e = &one_byte.encodings[index];
        e->name = names[i];
        for (unsigned byte = 0x80; byte < 0x100; byte++) {
            uint32_t code = decode(cd, (char[]){(char)byte}, 1);
            enter(index, e, code ? code : byte, byte);
            if (i == 0 && byte < 0xA0 && code)
                one_byte.windows_1252[byte - 0x80] = code;
        }
        for (unsigned byte = 0x80; i == 0 && byte < 0xA0; byte++)
            enter(index, e, byte, byte);
        iconv_close(cd);
    }
}

static void make_two_bytes(void)
{
    iconv_t cd = iconv_open("UTF-8", "CP949");
    if (cd == (iconv_t)-1)
        return;
    for (unsigned a = CP949_FIRST; a < 0xFF; a++)
        for (unsigned b = CP949_SECOND; b < 0xFF; b++) {
            uint32_t code = decode(cd, (char[]){(char)a, (char)b}, 2);
            two_bytes[a - CP949_FIRST][b - CP949_SECOND] = code < 0x10000 ? (uint16_t)code : 0;
        }
    iconv_close(cd);
}

const lm_legacy_encoding *lm_legacy_encodings(int *count)
{
    pthread_once(&one_byte_once, make_one_byte);
    *count = one_byte.count;
    return one_byte.encodings;
}

const lm_legacy_roles *lm_legacy_roles_of(void)
{
    pthread_once(&one_byte_once, make_one_byte);
    return &one_byte.roles;
}

uint32_t lm_windows_1252(uint32_t byte)
{
    pthread_once(&one_byte_once, make_one_byte);
    return byte >= 0x80 && byte < 0xA0 ? one_byte.windows_1252[byte - 0x80] : byte;
}

uint32_t lm_cp949(unsigned first, unsigned second)
{
    pthread_once(&two_bytes_once, make_two_bytes);
    if (first < CP949_FIRST || first > 0xFE || second < CP949_SECOND || second > 0xFE)
        return 0;
    return two_bytes[first - CP949_FIRST][second - CP949_SECOND];
}
