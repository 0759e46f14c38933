theil_sen <- function(x, y) {
  n <- length(x)
  stopifnot(n == length(y), n > 1)
  median(.Fortran("slopes", as.integer(n), as.double(x), as.double(y), result = double(n * (n - 1) / 2))$result)
}
