# Of answers (gen --json) to records that know the right `answer`: the share of right ones, which stand behind the thoughts; with
# -v pairs=1 a right and a wrong one to the same prompt, for each wrong one to which there is a right one.
function member(name) {
    if (!match($0, "\"" name "\":\"([^\"\\\\]|\\\\.)*\""))
        return ""
    return substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 5)
}
function compare(  i) {
    for (i = 1; pairs && good != "" && i <= bad; i++)
        printf "{\"prompt\":\"%s\",\"chosen\":\"%s\",\"rejected\":\"%s\"}\n", prompt, good, wrong[i]
    good = ""
    bad = 0
}
{
    if (member("prompt") != prompt) {
        compare()
        prompt = member("prompt")
    }
    text = member("text")
    n = split(text, part, "</think>")
    if (n > 1 && part[n] == member("answer")) {
        right++
        good = text
    } else if (text != "")
        wrong[++bad] = text
}
END {
    compare()
    if (!pairs)
        printf "accuracy\t%.4f\n", right / NR
}
