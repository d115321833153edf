$centreon_config = {
      VarLib => "/var/lib/centreon",
      CentreonDir => "/usr/share/centreon/",
      CacheDir => "/var/cache/centreon/",
      "db_type" => 'SQLite',
      "centreon_db" => '/etc/snmp/centreon_traps/centreontrapd.sdb'
};
$instance_mode = "poller";
1;
