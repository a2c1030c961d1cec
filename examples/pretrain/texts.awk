# The texts in JSON Lines, as `lms --plain` writes them: a paragraph a line, a blank line behind each record.
#
#   lms --plain --text document reviews.tsv | awk -f texts.awk
#
# Of a record with a pair both are printed.
function string(name,    s, i, all)
{
    if (!match($0, "\"" name "\": *\"([^\"\\\\]|\\\\.)*\""))
        return ""
    s = substr($0, RSTART, RLENGTH - 1)
    sub(/^"[a-z]*": *"/, "", s)
    while ((i = index(s, "\\"))) {
        all = all substr(s, 1, i - 1)
        if (substr(s, i + 1, 1) == "u") {
            all = all " " # a control character: all others stand as they are
            s = substr(s, i + 6)
        } else {
            all = all (index("nrtbf", substr(s, i + 1, 1)) ? "\n" : substr(s, i + 1, 1))
            s = substr(s, i + 2)
        }
    }
    return all s
}

function paragraphs(text,    n, i, part)
{
    n = split(text, part, "\n")
    for (i = 1; i <= n; i++)
        if (part[i] ~ /[^ ]/)
            print part[i]
}

{
    paragraphs(string("text"))
    paragraphs(string("pair"))
    print ""
}
