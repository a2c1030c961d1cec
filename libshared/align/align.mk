liblmutils_la_SOURCES += \
	libshared/align/reward_rules.c \
	libshared/align/rewards.c libshared/align/rewards.h \
	libshared/align/rollouts.c libshared/align/rollouts.h

check_PROGRAMS += tests/unit/check_rewards
tests_unit_check_rewards_SOURCES = tests/unit/check_rewards.c
tests_unit_check_rewards_CPPFLAGS = $(unit_cppflags)
tests_unit_check_rewards_LDADD = $(unit_ldadd) -lm
TESTS += tests/unit/check_rewards
