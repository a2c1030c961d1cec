# The share of right ones of answers (gen --json) to records that know the right `answer`: what stands behind the thoughts.
function member(name) {
    if (!match($0, "\"" name "\":\"([^\"\\\\]|\\\\.)*\""))
        return ""
    return substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 5)
}
{
    n = split(member("text"), part, "</think>")
    right += n > 1 && part[n] == member("answer")
}
END { printf "accuracy\t%.4f\n", right / NR }
