# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Test;
# What a server test needs, in one line: use EdxSSO::Test; It brings Test::More, the log functions
# of EdxSSO::Log, browser(), vhost(), backend_count(), slow(); done_testing() checks the log first.
use strict;
use warnings;
use Exporter 'import';
use EdxSSO::Browser;
use EdxSSO::Log;

my @more;
BEGIN { @more = qw(ok is isnt like unlike cmp_ok is_deeply pass fail diag note subtest skip explain plan) }
use Test::More import => [@more];
our @EXPORT = (@more, @EdxSSO::Log::EXPORT, qw(browser vhost backend_count slow alone done_testing));

# The root URL of a virtual host of t/conf, without a slash at the end.
sub vhost {
    my ($name) = @_;
    my $root = $ENV{ 'HTTPD_' . uc $name };
    return $root if $root;
    print "1..0 # SKIP needs a running httpd: perl t/TEST $0\n";
    exit 0;
}

# A new browser with an empty jar, at home on that virtual host.
sub browser {
    my ($name, %option) = @_;
    return EdxSSO::Browser->new(base => vhost($name // 'main'), %option);
}

# How many requests have come to the app behind mod_proxy.
sub backend_count {
    my $text = EdxSSO::Browser->new(base => $ENV{ECHO_ROOT})->get('/count')->body;
    return $text + 0;
}

# Is there time for long tests? (sh t/run.sh, but not sh t/run.sh --quick)
sub slow { return $ENV{TEST_SLOW} && !$ENV{TEST_QUICK} }

# This test has servers of its own alone. t/TEST, which looks for the line "alone();", runs it beside the others,
# so the shared httpd's log and children are none of its business.
sub alone { EdxSSO::Log->watch; return }

my $checked;
sub done_testing {
    $checked = 1;
    log_clean();
    return Test::More::done_testing(@_);
}

END {
    if (!$checked && $? == 0 && $ENV{HTTPD_ERROR_LOG}
        && (Test2::API::test2_stack()->top->plan // '') ne 'SKIP') {
        Test::More::diag('the test did not end with done_testing()');
        $? = 1;
    }
}

1;
