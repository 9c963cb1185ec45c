# A partition that runs PymoniK's worker: an entry for `compute_plane` in the parameters.tfvars of an
# ArmoniK deployment. Its name is what Pymonik(partition="pymonik") asks for.
compute_plane = {
  pymonik = {
    replicas = 1
    # The worker serves both kinds: "unixdomainsocket", and "tcp".
    socket_type                      = "unixdomainsocket"
    termination_grace_period_seconds = 30
    polling_agent = {
      limits   = { cpu = "1000m", memory = "1024Mi" }
      requests = { cpu = "50m", memory = "50Mi" }
    }
    worker = [{
      image = "my/pymonik-worker"
      tag   = "3.12"
      # One task at a time: these are the limits of a task, of its executor, and of the worker.
      limits   = { cpu = "1000m", memory = "2048Mi" }
      requests = { cpu = "500m", memory = "512Mi" }
    }]
    hpa = {
      type              = "prometheus"
      polling_interval  = 15
      cooldown_period   = 300
      min_replica_count = 1
      max_replica_count = 8
      behavior = {
        restore_to_original_replica_count = true
        stabilization_window_seconds      = 300
        type                              = "Percent"
        value                             = 100
        period_seconds                    = 15
      }
      triggers = [{ type = "prometheus", threshold = 2 }]
    }
  }
}
