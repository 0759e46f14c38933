subroutine slopes(n, x, y, result)
    implicit none
    integer, intent(in) :: n
    double precision, intent(in) :: x(n), y(n)
    double precision, intent(out) :: result(n*(n - 1)/2)
    integer :: i, j, k

    k = 0
    do i = 1, n - 1
        do j = i + 1, n
            k = k + 1
            result(k) = (y(j) - y(i))/(x(j) - x(i))
        end do
    end do
end subroutine
