# In front of pvfault's Makefiles in the trees that the tests build.
# Matters with CONFIG_GCOV_KERNEL alone.
GCOV_PROFILE	:= y
# Matters where nothing else is watched: make KCSAN_SANITIZE=n.
override KCSAN_SANITIZE	:= y

