# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Browser;
# A browser for tests: plain sockets, so that any bytes can be sent and every byte of the answer is
# seen; cookies by RFC 6265 with SameSite and the __Host- and __Secure- prefixes; redirects are
# followed only when asked for. All names lead to 127.0.0.1.
#
#   my $browser = EdxSSO::Browser->new(base => vhost('main'));
#   my $answer = $browser->get('/studio');              # an EdxSSO::Answer, see the end of this file
#   $answer = $browser->follow($answer);                # along redirects, from host to host
#   $browser->post('/x', [name => 'value'], as => 'fetch');
#   $browser->request(PUT => '/x', headers => [['X-Y', 'z']], body => '...');
#   my $thief = $browser->clone;                        # the same cookies, a jar of its own
#
# Options of each request: headers => [[name, value] ...] (replace ours of that name; value undef
# removes it), body, as => navigation|fetch|frame|plain, cross_site => 1, http => '1.0'.
use strict;
use warnings;
use IO::Socket::INET;
use Time::Local ();

my $PATIENCE = 60; # seconds for an answer
my $REDIRECTS = 20;
my $BODY_LIMIT = 64 * 1024 * 1024;

# what a browser says about each kind of request; a Site of undef is worked out
my %KINDS = (
    navigation => [
        ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
        ['Sec-Fetch-Site'], ['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-User', '?1'],
        ['Sec-Fetch-Dest', 'document'],
    ],
    frame => [
        ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
        ['Sec-Fetch-Site'], ['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-Dest', 'iframe'],
    ],
    fetch => [
        ['Accept', 'application/json'],
        ['Sec-Fetch-Site'], ['Sec-Fetch-Mode', 'cors'], ['Sec-Fetch-Dest', 'empty'],
    ],
    plain => [['Accept', '*/*']],
);

sub new {
    my ($class, %option) = @_;
    return bless { base => '', as => 'navigation', jar => [], trail => [], %option }, $class;
}

sub clone {
    my ($self) = @_;
    my $copy = (ref $self)->new(%$self);
    $copy->{jar} = [map { {%$_} } @{ $self->{jar} }];
    $copy->{trail} = [];
    return $copy;
}

sub get { my ($self, $url, %option) = @_; return $self->request(GET => $url, %option) }

# The form: a list or hash of names and values, or a string that is sent as it is.
sub post {
    my ($self, $url, $form, %option) = @_;
    my @pairs = ref $form eq 'HASH' ? map { $_ => $form->{$_} } sort keys %$form
        : ref $form ? @$form : ();
    my @fields;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        push @fields, escape($name) . '=' . escape($value);
    }
    my $body = ref $form ? join '&', @fields : $form;
    my @headers = (['Content-Type', 'application/x-www-form-urlencoded'],
        @{ $option{headers} || [] });
    return $self->request(POST => $url, %option, headers => \@headers, body => $body);
}

sub request {
    my ($self, $method, $url, %option) = @_;
    $url = absolute($url, $self->{base});
    my ($scheme, $authority, $target) = split_url($url);
    my $as = $option{as} || $self->{as};
    my @headers = (['Host', $authority], ['Connection', 'close'], ['User-Agent', 'test'],
        map { [@$_] } @{ $KINDS{$as} || die "as => $as?\n" });
    for my $header (@headers) {
        $header->[1] //= $option{cross_site} ? 'cross-site' : $as eq 'navigation' ? 'none' : 'same-origin';
    }
    my $cookies = $self->cookie_header($url, method => $method, as => $as, %option);
    push @headers, ['Cookie', $cookies] if length $cookies;
    my $body = $option{body};
    push @headers, ['Content-Length', length $body] if defined $body;
    for my $ours (@{ $option{headers} || [] }) {
        @headers = grep { lc $_->[0] ne lc $ours->[0] || $_->[2] } @headers;
        push @headers, [@$ours[0, 1], 1] if defined $ours->[1];
    }
    my $version = $option{http} || '1.1';
    my $bytes = join '', "$method $target HTTP/$version\r\n", (map { "$_->[0]: $_->[1]\r\n" } @headers),
        "\r\n", $body // '';
    my $answer = $self->raw($url, $bytes, $method);
    $answer->{request} = $bytes;
    $self->take_cookies($answer);
    push @{ $self->{trail} }, $answer;
    return $answer;
}

# Send bytes as they are; what comes back until the connection ends, as an answer.
sub raw {
    my ($self, $url, $bytes, $method) = @_;
    $url = absolute($url, $self->{base});
    my ($scheme, $authority) = split_url($url);
    my $port = $authority =~ /:(\d+)$/ ? $1 : $scheme eq 'https' ? 443 : 80;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => $PATIENCE)
        or return EdxSSO::Answer->new(url => $url, error => "connect: $!");
    if ($scheme eq 'https') {
        require IO::Socket::SSL;
        (my $name = $authority) =~ s/:\d+$//;
        $socket = IO::Socket::SSL->start_SSL($socket, SSL_verify_mode => 0, SSL_hostname => $name)
            or return EdxSSO::Answer->new(url => $url, error => "TLS: " . IO::Socket::SSL::errstr());
    }
    my $text = '';
    my $ended = eval {
        local $SIG{ALRM} = sub { die "timeout\n" };
        local $SIG{PIPE} = 'IGNORE';
        alarm $PATIENCE;
        my $sent = 0;
        while ($sent < length $bytes) {
            my $n = syswrite $socket, $bytes, length($bytes) - $sent, $sent;
            last unless $n;
            $sent += $n;
        }
        while (length $text < $BODY_LIMIT) {
            my $n = sysread $socket, $text, 65536, length $text;
            last unless $n;
        }
        1;
    };
    my $error = $ended ? undef : $@;
    alarm 0;
    close $socket;
    return EdxSSO::Answer->parse($text, url => $url, method => $method || 'GET', error => $error);
}

# Follow redirects to the end, or while option 'while' (a sub given the answer) says so.
sub follow {
    my ($self, $answer, %option) = @_;
    my $while = delete $option{while};
    for (1 .. $REDIRECTS) {
        my $to = $answer->location;
        return $answer if !defined $to || ($while && !$while->($answer));
        my $keep = $answer->status == 307 || $answer->status == 308;
        my $cross = origin($to) ne origin($answer->url);
        $answer = $keep && $answer->{method} ne 'GET'
            ? $self->request($answer->{method}, $to, %option, cross_site => $cross,
                body => ($answer->{request} =~ /\r\n\r\n(.*)/s)[0])
            : $self->get($to, %option, cross_site => $cross);
    }
    die "more than $REDIRECTS redirects, the last to " . $answer->location . "\n";
}

# ---- cookies, RFC 6265

sub take_cookies {
    my ($self, $answer) = @_;
    my ($scheme, $authority, $target) = split_url($answer->url);
    my $host = host_of($authority);
    for my $line ($answer->all('Set-Cookie')) {
        my ($pair, @attributes) = split /\s*;\s*/, $line;
        my ($name, $value) = ($pair // '') =~ /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/ or next;
        my %has = map { my ($k, $v) = split /\s*=\s*/, $_, 2; (lc $k => $v // '') } @attributes;
        my $domain = lc($has{domain} // '');
        $domain =~ s/^\.//;
        next if length $domain && $host ne $domain && $host !~ /\.\Q$domain\E$/;
        my $path = ($has{path} // '') =~ m{^/} ? $has{path} : default_path($target);
        next if exists $has{secure} && !trusted($scheme, $host);
        next if $name =~ /^__Secure-/i && !exists $has{secure};
        next if $name =~ /^__Host-/i && !(exists $has{secure} && !length $domain && ($has{path} // '') eq '/');
        my $expires = ($has{'max-age'} // '') =~ /^(-?\d+)$/ ? time + $1 : http_time($has{expires});
        my %cookie = (name => $name, value => $value, host_only => !length $domain,
            domain => $domain || $host, path => $path, secure => exists $has{secure},
            http_only => exists $has{httponly}, same_site => lc($has{samesite} // 'lax'),
            expires => $expires, line => $line);
        $self->drop_cookie(%cookie);
        push @{ $self->{jar} }, \%cookie unless defined $expires && $expires <= time;
    }
    return;
}

sub drop_cookie {
    my ($self, %which) = @_;
    my $same = sub { my $c = shift; !grep { $c->{$_} ne $which{$_} } qw(name domain path) };
    @{ $self->{jar} } = grep { !$same->($_) } @{ $self->{jar} };
    return;
}

sub cookie_header {
    my ($self, $url, %option) = @_;
    my ($scheme, $authority, $target) = split_url($url);
    my $host = host_of($authority);
    (my $path = $target) =~ s/\?.*//s;
    my $navigates = ($option{as} || 'navigation') eq 'navigation' && ($option{method} || 'GET') =~ /^(GET|HEAD)$/;
    my @fit = grep {
        ($_->{host_only} ? $host eq $_->{domain} : $host =~ /(^|\.)\Q$_->{domain}\E$/)
            && ($path eq $_->{path} || index($path, $_->{path} =~ m{/$} ? $_->{path} : "$_->{path}/") == 0)
            && (!$_->{secure} || trusted($scheme, $host))
            && (!defined $_->{expires} || $_->{expires} > time)
            && (!$option{cross_site} || $_->{same_site} eq 'none' || ($_->{same_site} eq 'lax' && $navigates))
    } @{ $self->{jar} };
    return join '; ', map { "$_->{name}=$_->{value}" } sort { length $b->{path} <=> length $a->{path} } @fit;
}

# The first cookie of this name (a pattern or a string), or undef.
sub cookie {
    my ($self, $name) = @_;
    my ($found) = grep { ref $name ? $_->{name} =~ $name : $_->{name} eq $name } @{ $self->{jar} };
    return $found;
}

sub cookies { return @{ $_[0]{jar} } }

# Put a cookie into the jar as if the host of the URL had set it.
sub set_cookie {
    my ($self, $line, $url) = @_;
    return $self->take_cookies(EdxSSO::Answer->new(url => absolute($url // '/', $self->{base}),
        headers => [['Set-Cookie', $line]]));
}

sub forget { $_[0]{jar} = []; return $_[0] }

# ---- URLs: functions

sub escape {
    my ($text) = @_;
    $text //= '';
    utf8::encode($text) if utf8::is_utf8($text);
    $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

sub unescape {
    my ($text) = @_;
    $text =~ tr/+/ /;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $text;
}

# The query of a URL as a list of names and values, in order.
sub query {
    my ($url) = @_;
    my ($query) = $url =~ /\?([^#]*)/ or return;
    return map { my ($k, $v) = split /=/, $_, 2; (unescape($k), unescape($v // '')) } split /&/, $query;
}

sub split_url {
    my ($url) = @_;
    my ($scheme, $authority, $target) = $url =~ m{^(https?)://([^/?#]*)([^#]*)}is
        or die "not an http URL: $url\n";
    $target = "/$target" unless $target =~ m{^/};
    return (lc $scheme, $authority, $target);
}

sub origin { my ($scheme, $authority) = split_url($_[0]); return "$scheme://" . lc $authority }

sub absolute {
    my ($url, $base) = @_;
    return $url if $url =~ m{^https?://}i;
    my ($scheme, $authority, $target) = split_url($base);
    return "$scheme:$url" if $url =~ m{^//};
    return "$scheme://$authority$url" if $url =~ m{^/};
    $target =~ s/\?.*//s;
    return "$scheme://$authority$target$url" if $url =~ /^\?/;
    $target =~ s{[^/]*$}{};
    return "$scheme://$authority$target$url";
}

sub host_of { (my $host = lc $_[0]) =~ s/:\d+$//; return $host }

sub default_path {
    my ($target) = @_;
    $target =~ s/\?.*//s;
    return $target =~ m{^(/.*)/}s ? $1 : '/';
}

# Secure cookies are for https, and, as in browsers of today, for this machine.
sub trusted { my ($scheme, $host) = @_; return $scheme eq 'https' || $host =~ /^(localhost|127\.0\.0\.1|.*\.localhost)$/ }

sub http_time {
    my ($text) = @_;
    my %month;
    @month{qw(jan feb mar apr may jun jul aug sep oct nov dec)} = 0 .. 11;
    my ($d, $m, $y, $H, $M, $S) = ($text // '') =~ /(\d+)[ -](\w{3})[ -](\d{4}) (\d+):(\d+):(\d+)/ or return;
    return Time::Local::timegm($S, $M, $H, $d, $month{lc $m} // 0, $y);
}

package EdxSSO::Answer;
# What came back. status is 0 where there was none; error says why.

sub new { my ($class, %field) = @_; return bless { status => 0, headers => [], body => '', %field }, $class }

sub parse {
    my ($class, $text, %field) = @_;
    my $self = $class->new(%field, raw => $text);
    while ($text =~ s{\A(HTTP/[\d.]+) (\d{3}) ?([^\r\n]*)\r?\n(.*?)\r?\n\r?\n}{}s
        || $text =~ s{\A(HTTP/[\d.]+) (\d{3}) ?([^\r\n]*)\r?\n()\r?\n}{}s) {
        @$self{qw(version status reason)} = ($1, $2, $3);
        $self->{headers} = [map { [/^([^:]*):[ \t]*(.*?)[ \t]*$/s] } split /\r?\n/, $4];
        last unless $self->{status} =~ /^1(?!01)/;
    }
    if (($self->header('Transfer-Encoding') // '') =~ /chunked/i) {
        my $body = '';
        while ($text =~ s/\A([0-9A-Fa-f]+)[^\r\n]*\r\n//) {
            my $size = hex $1;
            last unless $size;
            $body .= substr $text, 0, $size, '';
            $text =~ s/\A\r\n//;
        }
        $text = $body;
    }
    $self->{body} = $text;
    return $self;
}

sub status { return $_[0]{status} }
sub reason { return $_[0]{reason} }
sub body { return $_[0]{body} }
sub url { return $_[0]{url} }
sub error { return $_[0]{error} }
sub headers { return @{ $_[0]{headers} } }    # pairs, in order

sub all { my ($self, $name) = @_; return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $self->{headers} } }
sub header { my ($first) = $_[0]->all($_[1]); return $first }

# Where a redirect leads, as an absolute URL; undef if this is none.
sub location {
    my ($self) = @_;
    my $to = $self->header('Location');
    return unless defined $to && $self->{status} =~ /^30[12378]$/;
    $to =~ s/#.*//s;
    return EdxSSO::Browser::absolute($to, $self->{url});
}

sub json { require JSON::PP; return eval { JSON::PP->new->utf8->decode($_[0]{body}) } }

1;
