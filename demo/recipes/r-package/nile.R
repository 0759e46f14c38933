#!/usr/bin/Rscript
# The flow of the Nile at Aswan, 1871 to 1970: the median of all slopes is little moved by single years.
library(theilsen)
years <- as.numeric(time(Nile))
slope <- theil_sen(years, as.numeric(Nile))
pairs <- combn(length(years), 2)
plain <- median((Nile[pairs[2, ]] - Nile[pairs[1, ]]) / (years[pairs[2, ]] - years[pairs[1, ]]))
stopifnot(all.equal(slope, plain))
cat(sprintf("the Nile's flow changed by %.2f units a year\n", slope))
