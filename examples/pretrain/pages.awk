# The text of help pages (HTML, and the XML of Mallard): a paragraph a line, a blank line behind each page.
#
#   awk -f pages.awk PAGE...
#
# What stands in tables of contents, scripts and the like is no text of the page.
BEGIN {
    RS = "<"
    FS = ">"
    n = split("p h1 h2 h3 h4 h5 h6 li ul ol dl dt dd td th tr table div pre br title desc item section page note blockquote", names, " ")
    for (i = 1; i <= n; i++)
        parts[names[i]] = 1
    n = split("script style head header footer aside nav noscript info code", names, " ")
    for (i = 1; i <= n; i++)
        left_out[names[i]] = 1
}

function paragraph()
{
    gsub(/[ \t\r\n]+/, " ", text)
    sub(/^ /, "", text)
    sub(/ $/, "", text)
    if (text != "") {
        print text
        lines++
    }
    text = ""
}

function page()
{
    paragraph()
    if (lines)
        print ""
    lines = inside = 0
}

FNR == 1 {
    page()
    next
}

{
    name = tolower($1)
    closing = sub(/^\//, "", name)
    alone = name ~ /\/$/
    sub(/[^a-z0-9].*/, "", name)
    if (name in left_out && !alone)
        inside += closing ? -(inside > 0) : 1
    if (name in parts)
        paragraph()
    if (inside)
        next
    words = substr($0, length($1) + 2)
    if (index(words, "&")) {
        gsub(/&nbsp;|&#160;|&#xa0;/, " ", words)
        gsub(/&lt;/, "<", words)
        gsub(/&gt;/, ">", words)
        gsub(/&quot;|&#34;/, "\"", words)
        gsub(/&apos;|&#39;/, "'", words)
        gsub(/&amp;/, "\\&", words)
    }
    text = text words
}

END { page() }
