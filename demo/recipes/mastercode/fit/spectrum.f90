! What a resonance looks like in the mass of its decay's jets.
module spectrum
  use, intrinsic :: iso_c_binding, only: c_double
  implicit none
contains
  ! The share of the resonance's events between two masses (Breit and Wigner's form).
  real(c_double) function share(low, high, mass, width) bind(c)
    real(c_double), value :: low, high, mass, width
    real(c_double), parameter :: pi = 4 * atan(1.0_c_double)

    share = (atan(2 * (high - mass) / width) - atan(2 * (low - mass) / width)) / pi
  end function share
end module spectrum
