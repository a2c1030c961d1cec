# Documents, cut into sentences: a sentence a line, a blank line behind each document. That is what `tok --documents` reads.
#
#   awk -f sentences.awk -v kept=EVAL -v every=100 -v counts=COUNTS TESTS DOCUMENTS... >SENTENCES
#
# TESTS has the texts of the test sets, a line each. A document in which one of them stands, as a sentence or as the
# whole document, is left out: byte for byte, or with nothing but letters and digits compared, in whatever case.
# A sentence that stood in an earlier document is left out as well, so that what many texts share is learned once.
# Every so many documents one is kept for the evaluation, in the file EVAL. COUNTS says how many of each there were.
BEGIN {
    # behind these a full stop ends no sentence
    n = split("Mr Mrs Ms Dr St Prof Gen Col Sgt Lt Capt Sen Rep Gov No Nos vs cf ca Vol pp Fig Inc Ltd Co Corp Bros" \
              " Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Wed Thu Fri Sat Sun e.g i.e etc approx", names, " ")
    for (i = 1; i <= n; i++)
        short[names[i]] = 1
    n = 0 # of sentence[]: those of the present document
    printf "" >kept
}

# What is left of a text if only letters and digits count. Beyond ASCII all bytes do.
function bare(s)
{
    s = tolower(s)
    gsub(/[\001-\057:-@\[-`{-\177]+/, "", s)
    return s
}

function is_of_a_test(s,    b)
{
    if (s in test) {
        exact++
        return 1
    }
    b = bare(s)
    if (b != "" && b in bare_test) {
        normalised++
        return 1
    }
    return 0
}

# Does a sentence end between these two? `before` ends in a full stop, question or exclamation mark; a space follows.
function ends(before, after,    word)
{
    if (after ~ /^[a-z,;:)]/)
        return 0
    if (before !~ /[^.]\.$/)
        return 1
    word = substr(before, 1, length(before) - 1)
    sub(/.*[ (\["']/, "", word)
    return !(word in short) && word !~ /^[A-Z]$/ && word !~ /^([A-Z]\.)+[A-Z]$/ && word !~ /^[0-9]$/
}

function cut(line,    begin, at, rest)
{
    begin = ""
    while (match(line, /[.!?]+["')]*[ ]+/)) {
        at = RSTART + RLENGTH
        begin = begin substr(line, 1, at - 1)
        rest = substr(line, at)
        sub(/ +$/, "", begin)
        if (ends(begin, rest)) {
            sentence[++n] = begin
            begin = ""
        } else {
            begin = begin " "
        }
        line = rest
    }
    if (begin line != "")
        sentence[++n] = begin line
}

function document(    i, out, hit, whole, lines)
{
    if (!n)
        return
    documents++
    for (i = 1; i <= n; i++)
        whole = whole (i > 1 ? " " : "") sentence[i]
    hit = is_of_a_test(whole)
    for (i = 1; i <= n && n > 1 && !hit; i++)
        hit = is_of_a_test(sentence[i])
    if (hit) {
        of_tests++
        n = 0
        return
    }
    for (i = 1; i <= n; i++) {
        if (sentence[i] in seen) {
            repeated++
            continue
        }
        seen[sentence[i]] = 1
        out = out sentence[i] "\n"
        lines++
    }
    n = 0
    if (!lines)
        return
    written++
    if (every && written % every == 0) {
        print out >kept
        in_evaluation++
    } else {
        print out
        bytes += length(out)
        sentences += lines
    }
}

{ sub(/\r$/, "") }

FILENAME != file { # a file begins
    document()
    file = FILENAME
    files++
}

files == 1 {
    if ($0 != "") {
        test[$0] = 1
        b = bare($0)
        if (b != "")
            bare_test[b] = 1
        tests++
    }
    next
}

/^[ \t]*$/ {
    document()
    next
}

{
    gsub(/[ \t]+/, " ")
    sub(/^ /, "")
    sub(/ $/, "")
    cut($0)
}

END {
    document()
    printf "test rows looked for\t%d\ndocuments read\t%d\nleft out: of a test set\t%d\n" \
           "  matched byte for byte\t%d\n  matched by letters and digits\t%d\n" \
           "sentences left out: seen before\t%d\n" \
           "documents\t%d\n  for the evaluation\t%d\nsentences\t%d\nbytes\t%d\n",
        tests, documents, of_tests, exact, normalised, repeated, written, in_evaluation, sentences, bytes >counts
}
