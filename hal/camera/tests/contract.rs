//! What every [`Cameras`] promises, asked of the fake and of this machine.

use std::path::Path;

use bondbox_camera::{Camera, CameraError, Cameras, Control, Encoding, Fake, Mode, V4l2};

#[test]
fn the_fake_keeps_the_contract() {
    let fake = Fake::default();
    assert_eq!(fake.list(), []);
    fake.plug(webcam("/dev/video2"));
    fake.plug(webcam("/dev/video0"));
    fake.plug_other(Path::new("/dev/video1"));
    assert_eq!(fake.list().len(), 2);
    keeps_the_contract(&fake, Path::new("/dev/video1"));
    fake.set_signal(Path::new("/dev/video0"), false);
    assert_eq!(fake.signal(Path::new("/dev/video0")), Err(CameraError::NoSignal("/dev/video0".into())));
    fake.unplug(Path::new("/dev/video0"));
    assert_eq!(fake.list(), [webcam("/dev/video2")]);
}

#[test]
fn this_machine_keeps_the_contract() {
    if V4l2.list().is_empty() {
        eprintln!("no camera here: its modes and controls are not looked at; plug one in, or load the module vivid");
    }
    keeps_the_contract(&V4l2, Path::new("/dev/null"));
}

fn keeps_the_contract(cameras: &dyn Cameras, no_camera: &Path) {
    let list = cameras.list();
    for camera in &list {
        assert_eq!(cameras.describe(&camera.path).as_ref(), Ok(camera));
        for mode in &camera.modes {
            assert!(mode.width > 0 && mode.height > 0 && mode.frames > 0 && mode.seconds > 0, "{mode:?}");
        }
        controls_are_guarded(cameras, camera);
        assert!(matches!(cameras.signal(&camera.path), Ok(()) | Err(CameraError::NoSignal(_))));
    }
    let absent = Path::new("/dev/video4711");
    assert_eq!(cameras.describe(absent), Err(CameraError::Absent(absent.into())));
    assert_eq!(cameras.set_control(absent, 1, 0), Err(CameraError::Absent(absent.into())));
    assert_eq!(cameras.signal(absent), Err(CameraError::Absent(absent.into())));
    assert_eq!(cameras.signal(no_camera), Err(CameraError::NoCamera(no_camera.into())));
    assert_eq!(cameras.describe(no_camera), Err(CameraError::NoCamera(no_camera.into())));
    assert_eq!(cameras.set_control(no_camera, 1, 0), Err(CameraError::NoCamera(no_camera.into())));
}

fn controls_are_guarded(cameras: &dyn Cameras, camera: &Camera) {
    let path = &camera.path;
    assert_eq!(cameras.set_control(path, 0xdead, 0), Err(CameraError::NoControl { path: path.clone(), id: 0xdead }));
    for control in &camera.controls {
        if control.read_only {
            let refused = CameraError::ReadOnly { path: path.clone(), name: control.name.clone() };
            assert_eq!(cameras.set_control(path, control.id, control.default), Err(refused));
        } else {
            assert!((control.minimum..=control.maximum).contains(&control.default), "{control:?}");
            assert!(cameras.set_control(path, control.id, control.default).is_ok(), "{control:?}");
            if let Some(beyond) = control.maximum.checked_add(1) {
                let refused = cameras.set_control(path, control.id, beyond);
                assert!(matches!(refused, Err(CameraError::Range { .. })), "{control:?}");
            }
        }
    }
}

fn webcam(path: &str) -> Camera {
    let control =
        |id, name: &str, read_only| Control { id, name: name.into(), minimum: -10, maximum: 10, default: 0, read_only };
    Camera {
        path: path.into(),
        name: "Webcam".into(),
        driver: "uvcvideo".into(),
        modes: vec![Mode { encoding: Encoding::Raw, width: 640, height: 480, frames: 30, seconds: 1 }],
        controls: vec![control(0x98_0900, "Brightness", false), control(0x9a_0903, "Exposure", true)],
    }
}
