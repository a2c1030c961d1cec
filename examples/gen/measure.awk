# Of the objects of `gen --logprobs`: the mean log-probability of a token, how many of a text's pairs of words are not there
# before, how many answers end by themselves.
{
    text = $0; sub(/^.*"text":"/, "", text); sub(/","(sample|finish_reason)":.*$/, "", text)
    n = split(text, words, " ")
    delete seen
    for (i = 1; i < n; i++) {
        pairs++
        distinct += !seen[words[i], words[i + 1]]++
    }
    own = $0; sub(/,"tokens":.*/, "", own); sub(/^.*"logprob":/, "", own); total += own
    tokens += gsub(/\{"id":/, "&")
    ended += /"finish_reason":"stop"/
}
END { printf "%s\t%.3f\t%.3f\t%.2f\n", way, total / tokens, distinct / pairs, ended / NR }
