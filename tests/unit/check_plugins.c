/* Plugins: what is refused, and where they are looked for. */
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "model/plugin_host.h"

#include <string.h>
#include <unistd.h>

/* A directory with links to some of the bad plugins. */
static char *plugin_dir(const char *const *names)
{
    char *dir = scratch_new();
    for (; *names; names++) {
        char *from = lm_format("%s/%s.so", BADPLUG_DIR, *names), *to = lm_format("%s/%s.so", dir, *names);
        ck_assert_msg(access(from, F_OK) == 0 && symlink(from, to) == 0, "%s", from);
        free(from);
        free(to);
    }
    return dir;
}

START_TEST(faulty_plugins_are_refused)
{
    static const struct {
        const char *name, *says;
    } bad[] = {{"magic", "magic: 0x12345678"},
               {"abi", "abi: built for plugin ABI 2"},
               {"size", "size: "},
               {"short", "size: "},
               {"arch", "arch_size: "},
               {"nosymbol", "no symbol lm_plugin_entry_point"},
               {"nothing", "gave no descriptor"},
               {"noblock", "block: the function is missing"},
               {"noheads", "heads: the plugin has none"},
               {"deafhead", "neither a tokens nor a rows"},
               {"notypes", "model_types"},
               {"undefined", "lm_no_such_operation"}};
    lm_status st = LM_STATUS_INIT;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *file = lm_format("%s/%s.so", BADPLUG_DIR, bad[i].name);
        ck_assert_ptr_null(lm_plugin_find("bad", file, &st));
        ck_assert_msg(strstr(st.message, file) != NULL, "%s", st.message);
        assert_says(&st, bad[i].says);
        free(file);
    }
    ck_assert_ptr_null(lm_plugin_find("bad", "/nonexistent.so", &st));
    assert_says(&st, "/nonexistent.so: cannot open the plugin");
    char *good = lm_format("%s/good.so", BADPLUG_DIR);
    ck_assert(lm_plugin_find("bad", good, &st) != NULL);
    assert_ok(&st);
    free(good);
    char *older = lm_format("%s/older.so", BADPLUG_DIR);
    const lm_plugin *plugin = lm_plugin_find("bad", older, &st);
    assert_ok(&st);
    ck_assert(plugin && !plugin->renamed && plugin->heads[0].name && !plugin->heads[1].name);
    ck_assert_str_eq(plugin->heads[0].architecture, "BadModel");
    free(older);
}
END_TEST

START_TEST(plugins_are_searched)
{
    lm_status st = LM_STATUS_INIT;
    char *one = plugin_dir((const char *[]){"good", "magic", NULL});
    char *two = plugin_dir((const char *[]){"twin", NULL});
    setenv("LMUTILS_PLUGIN_PATH", one, 1);
    const lm_plugin *good = lm_plugin_find("bad", NULL, &st); /* the faulty one beside it is only told of */
    assert_ok(&st);
    ck_assert_str_eq(good->name, "bad");
    ck_assert(lm_plugin_head_by_task(good, "base") && !lm_plugin_head_by_task(good, "x"));
    ck_assert(lm_plugin_head_by_architecture(good, "BadModel") &&
              !lm_plugin_head_by_architecture(good, "Bad"));
    ck_assert_ptr_null(lm_plugin_find("ba", NULL, &st));
    assert_says(&st, "model_type \"ba\": no plugin serves it (known: bad)");
    ck_assert_ptr_null(lm_plugin_find("", NULL, &st));
    assert_says(&st, one);

    char *both = lm_format("%s:%s", one, two), *again = lm_format("%s:%s", one, one);
    setenv("LMUTILS_PLUGIN_PATH", both, 1);
    ck_assert_ptr_null(lm_plugin_find("bad", NULL, &st));
    ck_assert(strstr(st.message, "good.so") && strstr(st.message, "twin.so"));
    assert_says(&st, "two plugins serve");
    setenv("LMUTILS_PLUGIN_PATH", again, 1); /* one file reached twice is no conflict */
    ck_assert_ptr_eq(lm_plugin_find("bad", NULL, &st), good);
    assert_ok(&st);
    char *file = lm_format("%s/good.so", one);
    setenv("LMUTILS_PLUGIN_PATH", both, 1); /* --plugin goes first */
    ck_assert_ptr_eq(lm_plugin_find("bad", file, &st), good);
    assert_ok(&st);

    /* an empty element is the installed directory; the current one is never searched */
    ck_assert(chdir(one) == 0);
    static const char *const paths[] = {"", ":/nonexistent", NULL};
    for (int i = 0; i < 3; i++) {
        if (paths[i])
            setenv("LMUTILS_PLUGIN_PATH", paths[i], 1);
        else
            unsetenv("LMUTILS_PLUGIN_PATH");
        ck_assert_ptr_null(lm_plugin_find("bad", NULL, &st));
        ck_assert(i != 1 || strstr(st.message, "/nonexistent (No such file"));
        assert_says(&st, "/lmutils/plugins");
    }
    free(both);
    free(again);
    free(file);
    scratch_discard(one);
    scratch_discard(two);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("plugins");
    TCase *c = tcase_create("plugins");
    tcase_add_test(c, faulty_plugins_are_refused);
    tcase_add_test(c, plugins_are_searched);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
