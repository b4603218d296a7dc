# In front of pvfault's Makefiles in the trees that the tests build.
# Has an effect with CONFIG_GCOV_KERNEL alone.
GCOV_PROFILE	:= y
# For "make KCSAN_SANITIZE=n", which takes KCSAN out of all other files.
override KCSAN_SANITIZE	:= y

