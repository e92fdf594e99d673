# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Visitor;
# Somebody who has signed in, for tests of what comes after.
#
#   my $browser = visitor('main', '/studio', user => 'zoe', claims => { name => 7 });
#   my $answer = enter($browser, '/studio');   # the same for a browser that is there; the last answer
use strict;
use warnings;
use Exporter 'import';
use EdxSSO::Browser;
use EdxSSO::SignIn qw(lms lms_reset default_user);
use EdxSSO::Test ();
use JSON::PP ();
our @EXPORT = qw(lms lms_reset default_user visitor enter);

# What the next token says besides, or instead; any characters.
sub next_claims {
    my ($claims) = @_;
    my $answer = EdxSSO::Browser->new(base => $ENV{LMS_ROOT}, as => 'plain')->request(POST => '/_ctl/fault',
        body => JSON::PP->new->ascii->encode({ claims => $claims }), headers => [['Content-Type', 'application/json']]);
    die 'stand-in LMS: ' . $answer->body . "\n" if $answer->status != 200;
    return;
}

sub enter {
    my ($browser, $path, %option) = @_;
    default_user($option{user}) if $option{user};
    next_claims($option{claims}) if $option{claims};
    my $answer = $browser->follow($browser->get($path));
    default_user('jsmith') if $option{user};
    return $answer;
}

sub visitor {
    my ($vhost, $path, %option) = @_;
    my $browser = EdxSSO::Test::browser($vhost);
    my $answer = enter($browser, $path, %option);
    die "$path: not signed in: " . $answer->status . ' ' . $answer->url . "\n" . $answer->body . "\n"
        if $answer->status != 200;
    return $browser;
}

1;
