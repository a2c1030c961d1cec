/* The options of cleaning. */
#include "augment/clean/clean.h"
#include "augment/options.h"

static bool is_form(const char *word)
{
    return strcmp(word, "nfc") == 0 || strcmp(word, "nfd") == 0 || strcmp(word, "nfkc") == 0 || strcmp(word, "nfkd") == 0;
}

static bool is_number(const char *word)
{
    return *word && word[strspn(word, "0123456789")] == '\0';
}

static bool is_layout(const char *word)
{
    return strcmp(word, "paragraphs") == 0 || strcmp(word, "line") == 0;
}

/* A word for what is masked stands behind an equals sign: any word may be a file. */
static bool is_none(const char *word)
{
    (void)word;
    return false;
}

void lm_clean_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Cleaning"),
        LM_ENTRY_STEP("clean", NULL,
                      .help = "the usual: fix-mojibake, normalize nfc, strip-html, strip-control, squeeze 3, whitespace"),
        LM_ENTRY_STEP("fix-mojibake", NULL, .aliases = "fix_encoding ftfy",
                      .help = "mend text that was read in another encoding than it is in: UTF-8 as Windows-1252 and the like, "
                              "EUC-KR as Latin letters"),
        LM_ENTRY_STEP("normalize", "FORM", .optional = is_form, .aliases = "normalise unicode_normalization",
                      .help = "Unicode's normal form nfc, nfd, nfkc or nfkd; without a FORM, nfc"),
        LM_ENTRY_STEP("strip-html", NULL, .aliases = "remove_html unescape_html",
                      .help = "HTML made text: no tags, scripts and comments; entities are what they stand for"),
        LM_ENTRY_STEP("strip-markup", NULL, .help = "Markdown and wiki markup made text"),
        LM_ENTRY_STEP("mask-urls", "TOKEN", .optional = is_none, .aliases = "replace_urls remove_urls",
                      .help = "addresses of pages become TOKEN, or [URL]; with drop, nothing"),
        LM_ENTRY_STEP("mask-emails", "TOKEN", .optional = is_none, .aliases = "replace_emails remove_emails",
                      .help = "e-mail addresses become TOKEN, or [EMAIL]; with drop, nothing"),
        LM_ENTRY_STEP("mask-phones", "TOKEN", .optional = is_none, .aliases = "replace_phone_numbers mask_phone_numbers",
                      .help = "phone numbers, Korean and international, become TOKEN, or [PHONE]; with drop, nothing"),
        LM_ENTRY_STEP("strip-control", NULL, .aliases = "remove_control_chars",
                      .help = "no control characters, terminal escapes, zero-width and directional marks, soft hyphens"),
        LM_ENTRY_STEP("squeeze", "N", .optional = is_number, .aliases = "repeat_normalize num_repeats",
                      .help = "one to four characters that are repeated more than N times (3) are repeated N times"),
        LM_ENTRY_STEP("whitespace", "LAYOUT", .optional = is_layout, .aliases = "normalize_whitespace",
                      .help = "one blank between words, none at the ends of lines, at most one empty line; with line, "
                              "no line ends either"),
        LM_ENTRY_STEP("script", "NAME[,NAME...][=SHARE]", .aliases = "keep_script language",
                      .help = "drop texts with less than SHARE (0.5) of their letters in these scripts: hangul=0.3, ko, latin"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
