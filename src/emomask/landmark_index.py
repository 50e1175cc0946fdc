"""Which of the 68 iBUG landmarks is what (Sagonas et al., 2013); left and right as seen in the picture."""

LEFT_BROW = slice(17, 22)
RIGHT_BROW = slice(22, 27)
LEFT_EYE = slice(36, 42)
RIGHT_EYE = slice(42, 48)
MOUTH = slice(48, 68)
OUTER_EYE_CORNERS = (36, 45)
CHIN = 8

# MIRRORED[i] is the landmark that landmark i becomes when the picture is flipped left to right.
MIRRORED = (
    tuple(range(16, -1, -1))
    + tuple(range(26, 16, -1))
    + (27, 28, 29, 30, 35, 34, 33, 32, 31)
    + (45, 44, 43, 42, 47, 46)
    + (39, 38, 37, 36, 41, 40)
    + (54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55)
    + (64, 63, 62, 61, 60, 67, 66, 65)
)
