# Descriptions of Debian's packages as JSON Lines: text, label (the section, where it tells a topic), package, source.
#
#   awk -f debian-packages.awk [-v language=ko] TRANSLATION-EN... DUMPAVAIL
#
# Both are Debian control files: the first hold the long descriptions, each under the MD5 sum of the English text, the
# second the packages, with the short description and that sum. A package without a long description gets its short one;
# in another language than English, those without a translation are left out.
# Of packages with the same text only the first is kept.
BEGIN {
    RS = ""
    FS = "\n"
    # Sections that tell what a package is about. Left out are those that tell its form (libs, libdevel, doc, debug,
    # oldlibs, introspection, localization, metapackages, tasks), its language (python, perl, haskell ...), its desktop
    # (gnome, kde, xfce, x11) or nothing at all (misc, utils, devel, otherosfs).
    n = split("admin database editors electronics fonts games graphics hamradio mail math net science sound text vcs" \
              " video web", names, " ")
    for (i = 1; i <= n; i++)
        topic[names[i]] = names[i]
    topic["httpd"] = "web"
    topic["tex"] = "text"
    topic["comm"] = "net"
    for (i = 1; i < 32; i++)
        control[i] = sprintf("%c", i)
    if (language == "")
        language = "en"
    member = "Description-" language
}

function field(name,    i) {
    for (i = 1; i <= NF; i++)
        if (index($i, name ": ") == 1)
            return substr($i, length(name) + 3)
    return ""
}

# The lines of a long description, joined; a line of " ." parts paragraphs.
function description(    i, text, inside) {
    for (i = 1; i <= NF; i++) {
        if (index($i, member ": ") == 1) {
            text = substr($i, length(member) + 3) "."
            inside = 1
        } else if (inside && $i !~ /^ /) {
            break
        } else if (inside && $i != " .") {
            text = text " " $i
        }
    }
    gsub(/[ \t]+/, " ", text)
    return text
}

# s with each `char` of it replaced (gsub's own escapes differ from awk to awk).
function replace(s, char, by,    n, part, i, all) {
    n = split(s, part, char)
    all = part[1]
    for (i = 2; i <= n; i++)
        all = all by part[i]
    return all
}

function json(s,    i) {
    s = replace(replace(s, "\\", "\\\\"), "\"", "\\\"")
    for (i = 1; i < 32; i++)
        if (index(s, control[i]))
            s = replace(s, control[i], " ")
    return "\"" s "\""
}

$1 !~ /^Package: / { next }

index($0, "\n" member ": ") {
    long[field("Description-md5")] = description()
    next
}

{
    package = field("Package")
    source = field("Source")
    sub(/ .*/, "", source)
    section = field("Section")
    sub(/.*\//, "", section)
    text = long[field("Description-md5")]
    if (text == "" && language == "en")
        text = field("Description")
    if (package in known || text in seen || text == "")
        next
    known[package] = seen[text] = 1
    printf "{\"text\":%s%s,\"package\":%s,\"source\":%s}\n", json(text),
        section in topic ? ",\"label\":" json(topic[section]) : "", json(package),
        json(source == "" ? package : source)
}
