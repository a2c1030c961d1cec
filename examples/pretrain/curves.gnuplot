# Loss by step, a picture for each model: gnuplot -e "points='FILE'; models='NAME NAME...'; page='FILE.svg'" curves.gnuplot
set terminal svg size 1000,350 * ((words(models) + 1) / 2) background rgb "white"
set output page
set datafile separator "\t"
set multiplot layout (words(models) + 1) / 2, 2
set xlabel "step"
set ylabel "loss"
set grid
do for [name in models] {
    set title name
    part(which) = sprintf("< awk -F '\\t' '$1 == \"%s\" && $2 == \"%s\"' '%s'", name, which, points)
    plot part("training") using 3:4 with lines title "training", \
        part("evaluation") using 3:4 with linespoints title "evaluation"
}
unset multiplot
