# The losses in logs of pretrain (--log NAME-log.jsonl): name, training or evaluation, step, loss, with tabs between.
function number(name,    s)
{
    if (!match($0, "\"" name "\": *[-0-9.e+]+"))
        return ""
    s = substr($0, RSTART, RLENGTH)
    sub(/.*: */, "", s)
    return s
}

FNR == 1 {
    name = FILENAME
    sub(/.*\//, "", name)
    sub(/-log\.jsonl$/, "", name)
}

/"loss":/ { print name "\ttraining\t" number("step") "\t" number("loss") }
/"eval_loss":/ { print name "\tevaluation\t" number("step") "\t" number("eval_loss") }
