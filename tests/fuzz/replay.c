/* Runs a fuzz target without libFuzzer: on files, or on all files of directories, and on MUTATIONS changed copies of
 * each, the same ones every time. Usage: replay_X MUTATIONS PATH... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long files, runs;

/* splitmix64: Steele, Lea, Flood 2014 */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* In memory of exactly that size, so that a byte too many is seen. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        exit(1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static void mutate(uint8_t *data, size_t *size, size_t cap, uint64_t *random)
{
    static const char words[] = "{}[]\",:0123456789-\n\xff\\ut";
    for (uint64_t changes = 1 + next(random) % 4; changes && *size > 1; changes--) {
        size_t at = 1 + next(random) % (*size - 1), n = 1 + next(random) % 8;
        switch (next(random) % 5) {
        case 0: data[at] ^= (uint8_t)(1u << next(random) % 8); break;
        case 1: data[at] = (uint8_t)words[next(random) % (sizeof words - 1)]; break;
        case 2: *size = next(random) % 8 ? *size : at; break;
        case 3: /* out */
            n = n < *size - at ? n : *size - at;
            memmove(data + at, data + at + n, *size - at - n);
            *size -= n;
            break;
        default: /* twice */
            n = n < *size - at ? n : *size - at;
            if (*size + n > cap)
                break;
            memmove(data + at + n, data + at, *size - at);
            *size += n;
        }
    }
}

static void run_file(const char *path, unsigned long mutations)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f), cap = size + 64;
    rewind(f);
    uint8_t *data = malloc(cap), *copy = malloc(cap);
    if (!data || !copy || fread(data, 1, size, f) != size) {
        fprintf(stderr, "%s: cannot read it\n", path);
        exit(1);
    }
    fclose(f);
    files++;
    run(data, size);
    uint64_t random = size;
    for (unsigned long i = 0; i < mutations; i++) {
        size_t n = size;
        memcpy(copy, data, size);
        mutate(copy, &n, cap, &random);
        run(copy, n);
    }
    free(data);
    free(copy);
}

static void run_path(const char *path, unsigned long mutations)
{
    struct stat s;
    if (stat(path, &s) != 0 || !S_ISDIR(s.st_mode)) {
        run_file(path, mutations);
        return;
    }
    DIR *dir = opendir(path);
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        char file[4096];
        if (e->d_name[0] != '.' && snprintf(file, sizeof file, "%s/%s", path, e->d_name) < (int)sizeof file)
            run_path(file, mutations);
    }
    if (dir)
        closedir(dir);
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        run_path(argv[i], strtoul(argv[1], NULL, 10));
    printf("%lu files, %lu inputs\n", files, runs);
    return files == 0;
}
