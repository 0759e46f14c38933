! heat [STEPS]: a plate with cold edges, its rows shared among the processes, beside the exact solution.
program heat
    use, intrinsic :: iso_c_binding
    use mpi
    implicit none
    interface
        subroutine stencil_step(before, after, width, rows, rate) bind(c)
            import :: c_double, c_int
            real(c_double), intent(in) :: before(*)
            real(c_double), intent(inout) :: after(*)
            integer(c_int), value :: width, rows
            real(c_double), value :: rate
        end subroutine
    end interface
    integer, parameter :: n = 129
    real(c_double), parameter :: rate = 0.2d0, pi = acos(-1d0)
    real(c_double), allocatable :: now(:, :), next(:, :)
    real(c_double) :: worst, all_worst, decay
    integer :: rank, ranks, first, last, rows, step, steps, x, y, above, below, error
    character(len=16) :: word

    call MPI_Init(error)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank, error)
    call MPI_Comm_size(MPI_COMM_WORLD, ranks, error)
    steps = 500
    if (command_argument_count() > 0) then
        call get_command_argument(1, word)
        read (word, *) steps
    end if

    ! Inner rows 2 .. n-1 are shared; each process keeps a row of its neighbours on either side.
    first = 2 + rank*(n - 2)/ranks
    last = 1 + (rank + 1)*(n - 2)/ranks
    rows = last - first + 3
    allocate (now(n, rows), next(n, rows))
    do y = 1, rows
        do x = 1, n
            now(x, y) = sin(pi*(x - 1)/(n - 1))*sin(pi*(first + y - 3)/(n - 1))
        end do
    end do
    now(1, :) = 0
    now(n, :) = 0
    next = now
    above = merge(rank - 1, MPI_PROC_NULL, rank > 0)
    below = merge(rank + 1, MPI_PROC_NULL, rank < ranks - 1)

    do step = 1, steps
        call MPI_Sendrecv(now(1, 2), n, MPI_DOUBLE_PRECISION, above, 0, now(1, rows), n, MPI_DOUBLE_PRECISION, below, 0, &
                          MPI_COMM_WORLD, MPI_STATUS_IGNORE, error)
        call MPI_Sendrecv(now(1, rows - 1), n, MPI_DOUBLE_PRECISION, below, 1, now(1, 1), n, MPI_DOUBLE_PRECISION, above, 1, &
                          MPI_COMM_WORLD, MPI_STATUS_IGNORE, error)
        call stencil_step(now, next, n, rows, rate)
        now(:, 2:rows - 1) = next(:, 2:rows - 1)
    end do

    ! Each step multiplies this first mode by the same factor.
    decay = (1 - 8*rate*sin(pi/(2*(n - 1)))**2)**steps
    worst = 0
    do y = 2, rows - 1
        do x = 1, n
            worst = max(worst, abs(now(x, y) - decay*sin(pi*(x - 1)/(n - 1))*sin(pi*(first + y - 3)/(n - 1))))
        end do
    end do
    call MPI_Reduce(worst, all_worst, 1, MPI_DOUBLE_PRECISION, MPI_MAX, 0, MPI_COMM_WORLD, error)
    if (rank == 0) print '(i0, a, i0, a, es8.1)', ranks, ' processes, ', steps, ' steps, largest error', all_worst
    call MPI_Finalize(error)
    if (rank == 0 .and. all_worst > 1d-10) stop 1
end program
