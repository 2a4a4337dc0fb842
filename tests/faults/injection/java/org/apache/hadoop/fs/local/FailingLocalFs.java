package org.apache.hadoop.fs.local;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.EnumSet;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Options.ChecksumOpt;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/** The local file system for Hadoop's FileContext API, which Delta uses to commit. */
public class FailingLocalFs extends LocalFs {
    public FailingLocalFs(URI uri, Configuration conf) throws IOException, URISyntaxException {
        super(uri, conf);
    }

    @Override
    public FSDataInputStream open(Path path, int bufferSize) throws IOException {
        Faults.call("open", path);
        return super.open(path, bufferSize);
    }

    @Override
    public FSDataOutputStream createInternal(Path path, EnumSet<CreateFlag> flag, FsPermission permission,
        int bufferSize, short replication, long blockSize, Progressable progress, ChecksumOpt checksum,
        boolean createParent) throws IOException {
        Faults.call("create", path);
        return FailingFileSystem.closing(super.createInternal(path, flag, permission, bufferSize, replication,
            blockSize, progress, checksum, createParent), path);
    }

    @Override
    public void renameInternal(Path from, Path to) throws IOException {
        Faults.call("rename", to);
        super.renameInternal(from, to);
    }

    @Override
    public void renameInternal(Path from, Path to, boolean overwrite) throws IOException {
        Faults.call("rename", to);
        super.renameInternal(from, to, overwrite);
    }

    @Override
    public boolean delete(Path path, boolean recursive) throws IOException {
        Faults.call("delete", path);
        return super.delete(path, recursive);
    }

    @Override
    public FileStatus[] listStatus(Path path) throws IOException {
        Faults.call("list", path);
        return super.listStatus(path);
    }

    @Override
    public FileStatus getFileStatus(Path path) throws IOException {
        Faults.call("status", path);
        return super.getFileStatus(path);
    }
}
